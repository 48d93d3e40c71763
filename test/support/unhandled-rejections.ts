// Mocha 12 takes unhandled rejections and tells nobody: as an uncaught exception, one fails the test that runs.
process.on('unhandledRejection', (reason) => {
  throw reason instanceof Error ? reason : new Error(`unhandled rejection: ${String(reason)}`, { cause: reason });
});
