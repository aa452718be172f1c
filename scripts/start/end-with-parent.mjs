// Loaded into each server: ends it if npm start is killed, so that its port becomes free.
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
process.channel?.unref();
