/** Settings that every peer reads from its environment. */
export const settings = {
  port: Number(required('PORT')),
  host: '127.0.0.1',
  apiKey: required('INTERNAL_API_KEY'),
  database: {
    connectionString: required('DATABASE_URL'),
    max: Number(required('DATABASE_POOL_MAX')),
  },
};

function required(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set.`);
  return value;
}
