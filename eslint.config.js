import js from "@eslint/js";
import globals from "globals";

const PAGE = "src/drpl/serve/static/**/*.js";
const THEME = "src/drpl/serve/static/ui/theme.js";

export default [
  js.configs.recommended,
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  { files: [PAGE], languageOptions: { globals: globals.browser } },
  { files: [THEME], languageOptions: { sourceType: "script" } },
  { files: ["tests/**/*.js"], languageOptions: { globals: globals.node } },
  {
    rules: {
      "array-callback-return": "error",
      "consistent-return": "error",
      "default-case-last": "error",
      eqeqeq: "error",
      "no-else-return": "error",
      "no-implicit-coercion": "error",
      "no-self-compare": "error",
      "no-shadow": "error",
      "no-unmodified-loop-condition": "error",
      "no-unused-vars": ["error", { ignoreRestSiblings: true }],
      "no-useless-return": "error",
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
      "prefer-template": "error",
    },
  },
];
