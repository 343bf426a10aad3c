/** Form of the fusion options, built from the service's description of them. */

/** @import { Store } from "../model/store.js" */
/** @import { Draft, Meta, OptionField, Options, OptionValue } from "../model/types.js" */

import { labelled } from "../model/words.js";
import { button, el } from "../ui/dom.js";

/**
 * Returns the value that a preset gives to an option, or the option's default.
 *
 * @param {Pick<Meta, "presets">} meta
 * @param {?string} preset
 * @param {OptionField} field
 * @returns {OptionValue}
 */
export function usual({ presets }, preset, field) {
  return (preset ? presets[preset] : null)?.[field.name] ?? field.default;
}

/**
 * Parses the text of a field; returns undefined if it does not fit the option's type.
 *
 * @param {OptionField} field
 * @param {string} text
 * @returns {OptionValue|undefined}
 */
export function typed(field, text) {
  if (field.type === "choice") return field.choices.find(choice => String(choice) === text);
  if (field.type === "text") return text;
  if (text.trim() === "") return field.default === null ? null : undefined;
  const value = Number(text);
  const fits = Number.isFinite(value) && (field.type !== "int" || Number.isInteger(value));
  return fits ? value : undefined;
}

/**
 * Sets an option; the usual value is not stored.
 *
 * @param {Options} options
 * @param {string} name
 * @param {OptionValue} value
 * @param {OptionValue} asUsual
 * @returns {Options}
 */
export function withOption(options, name, value, asUsual) {
  const { [name]: _, ...others } = options;
  return value === asUsual ? others : { ...others, [name]: value };
}

/**
 * @param {object} settings
 * @param {Meta} settings.meta
 * @param {Store<Draft>} settings.draft
 */
export function optionForm({ meta, draft }) {
  const presets = el(
    "select",
    { id: "preset" },
    el("option", { value: "" }, "None"),
    ...Object.keys(meta.presets).map(name => el("option", { value: name }, labelled(name))),
  );
  presets.addEventListener("change", () => draft.set({ preset: presets.value || null }));
  const help = el("p", { class: "help" });
  const reset = button(() => draft.set({ options: {} }), { class: "plain" }, "Reset the options");
  const rows = meta.options.map(field => optionRow(field, meta, draft));
  const few = rows.filter(row => row.field.few).map(row => row.node);
  const more = rows.filter(row => !row.field.few).map(row => row.node);
  const node = el(
    "form",
    { class: "options", "aria-label": "Options", on: { submit: event => event.preventDefault() } },
    el("div", { class: "option" }, el("label", { for: "preset" }, "Preset"), presets, help),
    ...few,
    more.length > 0 && el("details", {}, el("summary", {}, `More options (${more.length})`), ...more),
    el("p", { class: "options-foot" }, reset),
  );

  const stop = draft.watch(
    state => state,
    ({ preset, options }) => {
      presets.value = preset ?? "";
      const values = Object.entries((preset && meta.presets[preset]) || {}).map(
        ([name, value]) => `${labelled(name).toLowerCase()} to ${spoken(value)}`,
      );
      help.textContent = values.length
        ? `Sets ${values.join(", ")}.`
        : "A preset sets options for a kind of subject; you can still change each one.";
      reset.hidden = !Object.keys(options).length;
      for (const row of rows) row.show(preset, options);
    },
  );
  return { node, stop };
}

/** @param {OptionValue} value */
function spoken(value) {
  if (typeof value === "boolean") return value ? "on" : "off";
  return String(value);
}

/**
 * Creates the row of an option: label, field and help.
 *
 * @param {OptionField} field
 * @param {Meta} meta
 * @param {Store<Draft>} draft
 */
function optionRow(field, meta, draft) {
  const id = `option-${field.name}`;
  const { input, show } = fieldInput(field, id, value => {
    const { options, preset } = draft.get();
    const asUsual = usual(meta, preset, field);
    draft.set({ options: withOption(options, field.name, value, asUsual) });
  });
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
    /**
     * @param {?string} preset
     * @param {Options} options
     */
    show(preset, options) {
      const isChanged = field.name in options;
      changed.hidden = !isChanged;
      show(isChanged ? options[field.name] : usual(meta, preset, field));
    },
  };
}

/**
 * Creates the field of an option.
 *
 * @param {OptionField} field
 * @param {string} id
 * @param {(value: OptionValue) => void} set
 * @returns {{input: HTMLElement, show: (value: OptionValue) => void}}
 */
function fieldInput(field, id, set) {
  const settings = { id, "aria-describedby": `${id}-help` };
  if (field.type === "bool") {
    const input = el("input", { ...settings, type: "checkbox", role: "switch" });
    input.addEventListener("change", () => set(input.checked));
    const show = (/** @type {OptionValue} */ value) => {
      input.checked = Boolean(value);
    };
    return { input, show };
  }
  const isNumber = field.type === "int" || field.type === "float";
  const input =
    field.type === "choice"
      ? el("select", settings, ...field.choices.map(choiceOption))
      : el("input", { ...settings, type: isNumber ? "number" : "text", step: field.type === "int" ? "1" : "any" });
  input.addEventListener("input", () => {
    const value = typed(field, input.value);
    input.setCustomValidity(value === undefined ? "A number is expected." : "");
    if (value !== undefined) set(value);
  });
  return {
    input,
    show(value) {
      if (document.activeElement !== input) input.value = value === null ? "" : String(value);
    },
  };
}

/** @param {OptionValue} choice */
const choiceOption = choice => el("option", { value: String(choice) }, String(choice));
