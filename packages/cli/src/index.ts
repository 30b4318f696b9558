export { CLI_VERSION } from './cli-version.ts';
export { main } from './main.ts';
export { compileTemplate, type Template, TemplateError } from './template/evaluate.ts';
