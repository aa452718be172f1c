// Each server loads this file, which ends the server if `npm start` is killed.
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
process.channel?.unref();
