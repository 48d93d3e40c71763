// Mocha 12 ignores unhandled rejections. Thrown as an uncaught exception, a rejection fails the running test.
process.on('unhandledRejection', (reason) => {
  throw reason instanceof Error ? reason : new Error(`unhandled rejection: ${String(reason)}`, { cause: reason });
});
