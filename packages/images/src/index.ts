export * from './image-service.ts';
