// Expressions and their contexts, as JSON on standard input -> their values by GitHub's own evaluator, as JSON.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [packages] = process.argv.slice(2);
const { Lexer, Parser, Evaluator, data } = await import(
  pathToFileURL(`${packages}/node_modules/@actions/expressions/dist/index.js`)
);

function wrap(value) {
  if (value === null) return new data.Null();
  if (typeof value === "string") return new data.StringData(value);
  if (typeof value === "number") return new data.NumberData(value);
  if (typeof value === "boolean") return new data.BooleanData(value);
  if (Array.isArray(value)) return new data.Array(...value.map(wrap));
  return new data.Dictionary(...Object.entries(value).map(([key, one]) => ({ key, value: wrap(one) })));
}

function unwrap(value) {
  if (value.kind === data.Kind.Array) return value.values().map(unwrap);
  return value.kind === data.Kind.Null ? null : value.value;
}

const { expressions, contexts, status } = JSON.parse(readFileSync(0, "utf8"));
const functions = Object.entries(status).map(([name, value]) => ({
  name, minArgs: 0, maxArgs: 0, call: () => new data.BooleanData(value),
}));
const byName = new Map(functions.map((one) => [one.name.toLowerCase(), one]));
const values = expressions.map((expression) => {
  const tree = new Parser(new Lexer(expression).lex().tokens, Object.keys(contexts), functions).parse();
  return unwrap(new Evaluator(tree, wrap(contexts), byName).evaluate());
});
console.log(JSON.stringify(values));
