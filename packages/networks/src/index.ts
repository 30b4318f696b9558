export * from './network-driver.ts';
export * from './network-service.ts';
