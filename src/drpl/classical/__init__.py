"""Classical fusion of focal stacks.

A method reads registered frames (`drpl.classical.views.Views`) one at a time, in one or more
passes, so that its memory does not grow with their number. `drpl.classical.table` lists all
methods.
"""
