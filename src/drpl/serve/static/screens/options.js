/** The form of options, made from what the service says of them. */

import { el, fill } from "../ui/dom.js";
import { labelled } from "../model/words.js";

/**
 * What a preset sets an option to, or its default.
 *
 * @param {import("../model/types.js").Meta} meta
 * @param {?string} preset
 * @param {import("../model/types.js").OptionField} field
 */
export function usual(meta, preset, field) {
  return (preset ? meta.presets[preset] : null)?.[field.name] ?? field.default;
}

/**
 * What is written in a field, as the option's type; undefined where it is none.
 *
 * @param {import("../model/types.js").OptionField} field
 * @param {string} text
 */
export function typed(field, text) {
  if (field.type === "choice") return field.choices.find((choice) => String(choice) === text);
  if (field.type === "text") return text;
  if (text.trim() === "") return field.default === null ? null : undefined;
  const value = Number(text);
  const fits = Number.isFinite(value) && (field.type !== "int" || Number.isInteger(value));
  return fits ? value : undefined;
}

/**
 * Options with one set; those as usual are not kept.
 *
 * @param {Object<string, *>} options
 * @param {string} name
 * @param {*} value
 * @param {*} asUsual
 */
export function withOption(options, name, value, asUsual) {
  const { [name]: _, ...others } = options;
  return value === asUsual || value === undefined ? others : { ...others, [name]: value };
}

/**
 * @param {object} about
 * @param {import("../model/types.js").Meta} about.meta
 * @param {ReturnType<import("../model/store.js").createStore<import("../model/draft.js").Draft>>} about.draft
 * @returns {{node: HTMLElement, stop: () => void}}
 */
export function optionForm({ meta, draft }) {
  const presets = el(
    "select",
    { id: "preset", on: { change: () => draft.set({ preset: presets.value || null }) } },
    el("option", { value: "" }, "None"),
    ...Object.keys(meta.presets).map((name) => el("option", { value: name }, labelled(name))),
  );
  const about = el("p", { class: "help" });
  const back = el(
    "button",
    { type: "button", class: "plain", on: { click: () => draft.set({ options: {} }) } },
    "Reset the options",
  );
  const rows = meta.options.map((field) => optionRow(field, meta, draft));
  const few = rows.filter((row) => row.field.few).map((row) => row.node);
  const rest = rows.filter((row) => !row.field.few).map((row) => row.node);
  const node = el(
    "form",
    {
      class: "options",
      "aria-label": "Options",
      on: { submit: (event) => event.preventDefault() },
    },
    el("div", { class: "option" }, el("label", { for: "preset" }, "Preset"), presets, about),
    ...few,
    rest.length
      ? el("details", {}, el("summary", {}, `More options (${rest.length})`), ...rest)
      : null,
    el("p", { class: "options-foot" }, back),
  );

  const stop = draft.watch(
    (state) => state,
    ({ preset, options }) => {
      presets.value = preset ?? "";
      const sets = Object.entries(meta.presets[preset] ?? {});
      about.textContent = sets.length
        ? `Sets ${sets.map(([name, value]) => `${labelled(name).toLowerCase()} to ${spoken(value)}`).join(", ")}.`
        : "A start by the kind of work; every option can still be changed.";
      back.hidden = !Object.keys(options).length;
      for (const row of rows) row.show(preset, options);
    },
  );
  return { node, stop };
}

/** @param {*} value */
function spoken(value) {
  return { true: "on", false: "off" }[String(value)] ?? String(value);
}

/** One option: its label, field and help. */
function optionRow(field, meta, draft) {
  const id = `option-${field.name}`;
  const state = () => draft.get();
  const set = (value) =>
    draft.set({
      options: withOption(state().options, field.name, value, usual(meta, state().preset, field)),
    });
  const about = { id, "aria-describedby": `${id}-help` };
  const input = inputOf(field, about, set);
  const changed = el("span", { class: "changed", title: "Changed", hidden: true }, "changed");
  const help = el("p", { class: "help", id: `${id}-help` }, field.help);
  const label = el("label", { for: id }, labelled(field.name), " ", changed);
  const node =
    field.type === "bool"
      ? el("div", { class: "option switch" }, input, label, help)
      : el("div", { class: "option" }, label, input, help);
  return {
    field,
    node,
    show(preset, options) {
      const value = field.name in options ? options[field.name] : usual(meta, preset, field);
      changed.hidden = !(field.name in options);
      if (field.type === "bool") input.checked = Boolean(value);
      else if (document.activeElement !== input) input.value = value === null ? "" : String(value);
    },
  };
}

/** The field itself. */
function inputOf(field, about, set) {
  if (field.type === "bool") {
    const box = el("input", {
      ...about,
      type: "checkbox",
      role: "switch",
      on: { change: () => set(box.checked) },
    });
    return box;
  }
  if (field.type === "choice") {
    const list = el("select", { ...about, on: { change: () => set(typed(field, list.value)) } });
    fill(
      list,
      ...field.choices.map((choice) => el("option", { value: String(choice) }, String(choice))),
    );
    return list;
  }
  const number = field.type === "int" || field.type === "float";
  const input = el("input", {
    ...about,
    type: number ? "number" : "text",
    step: field.type === "int" ? "1" : "any",
    on: {
      input() {
        const value = typed(field, input.value);
        input.setCustomValidity(value === undefined ? "A number is expected." : "");
        if (value !== undefined) set(value);
      },
    },
  });
  return input;
}
