export { CLI_VERSION, main } from './main.ts';
export { compileTemplate, type Template, TemplateError } from './template/evaluate.ts';
