// Workflows -> what GitHub's own parser finds wrong in them, one problem in each line.
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { pathToFileURL } from "node:url";

const [packages, ...paths] = process.argv.slice(2);
const { parseWorkflow, convertWorkflowTemplate, NoOperationTraceWriter } = await import(
  pathToFileURL(`${packages}/node_modules/@actions/workflow-parser/dist/index.js`)
);
for (const path of paths) {
  const file = { name: basename(path), content: readFileSync(path, "utf8") };
  const { context, value } = parseWorkflow(file, new NoOperationTraceWriter());
  if (context.errors.getErrors().length === 0) await convertWorkflowTemplate(context, value);
  for (const error of context.errors.getErrors()) console.log(error.message);
}
