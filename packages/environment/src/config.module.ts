import type { DynamicModule } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';

type Variables = Record<string, string | undefined>;

/**
 * Creates a Nest config module whose only source is the validated environment: no env file, no raw
 * variable.
 * @param validate converts the variables of the process into the environment
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
  // Nest copies validated values into process.env, which must not contain secrets from files.
  for (const name of Object.keys(process.env)) if (!given.has(name)) delete process.env[name];
  return module;
}
