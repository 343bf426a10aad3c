"""Results: pixels, maps, report, decision sheet, edits and retouching."""
