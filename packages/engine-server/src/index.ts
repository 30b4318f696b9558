export * from './engine-server.ts';
export * from './services.ts';
