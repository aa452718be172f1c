import { AccessTokenVerifier } from '@latchkey/access-tokens/verifier';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { expect, it } from 'vitest';
import { UserGuard } from './user.guard.js';

class BrokenVerifier extends AccessTokenVerifier {
  override async verify(): Promise<never> {
    throw new TypeError('broken');
  }
}

it('UserGuard rethrows an unexpected error instead of refusing the token', async () => {
  const guard = new UserGuard(new BrokenVerifier({ keys: 'none', issuer: '', audience: '' }));
  const context = new ExecutionContextHost([{ headers: {} }]);
  await expect(guard.canActivate(context)).rejects.toThrow(TypeError);
});
