import type { DynamicModule } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';

type Variables = Record<string, string | undefined>;

/**
 * `ConfigModule.forRoot` with a validated environment as its only source: no env file, no raw
 * variable.
 * @param validate reads the variables of the process
 * @throws the error of `validate`
 */
export async function validatedConfig(
  validate: (variables: Variables) => Record<string, unknown>,
): Promise<DynamicModule> {
  const given = new Set(Object.keys(process.env));
  const module = ConfigModule.forRoot({
    isGlobal: true,
    ignoreEnvFile: true,
    skipProcessEnv: true,
    validate,
  });
  // Nest copies validated values into process.env, where secrets from files must not be.
  for (const name of Object.keys(process.env)) if (!given.has(name)) delete process.env[name];
  return module;
}
