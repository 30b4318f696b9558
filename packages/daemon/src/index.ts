export { type DaemonConfig, parseArguments } from './config.ts';
export { type Engine, startEngine } from './engine.ts';
export { main } from './main.ts';
