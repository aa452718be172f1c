import { z } from 'zod';
import type { BackendClient } from '../backend/backend-client.js';
import { BackendRejectedError, BackendUnavailableError } from '../backend/backend-errors.js';
import { ToolError, defineTool } from './tool.js';
import { requirePermission } from './user-requirements.js';

const phoneSchema = z
  .string()
  .regex(/^\+[1-9]\d{1,14}$/, 'must be in E.164 format, such as +12025550123')
  .refine(isValidPhoneNumber, 'must be a valid phone number')
  .describe('The new number in E.164 format, such as +12025550123.');

export const updatePhone = (backend: BackendClient) =>
  defineTool({
    name: 'update_phone',
    title: 'Change phone number',
    description:
      'Changes the phone number in the user’s profile. Ask the user to confirm the number first.',
    scope: 'profile:write',
    annotations: {
      readOnlyHint: false,
      destructiveHint: true,
      idempotentHint: true,
      openWorldHint: false,
    },
    input: z.strictObject({ phone: phoneSchema }),
    output: z.object({ phone: z.string().describe('The stored number, after the change.') }),
    async run({ phone }, { userId }, options) {
      const user = await backend.getUser(userId, options);
      requirePermission(user, 'configure');
      try {
        const updated = await backend.updatePhone(userId, phone, options);
        const structured = { phone: updated.phone ?? phone };
        return { message: 'The phone number has been changed.', structured };
      } catch (error) {
        throw toUpdateError(error);
      }
    },
  });

/** Imports the library at the first use, because loading every country's rules is slow. */
async function isValidPhoneNumber(phone: string): Promise<boolean> {
  const rules = await import('libphonenumber-js');
  return rules.isValidPhoneNumber(phone);
}

// After an error with one of these reasons, the number is certainly unchanged.
const NOT_APPLIED = new Set<string>(['circuit-open', 'too-many-calls', 'rate-limited']);

function toUpdateError(error: unknown): unknown {
  if (error instanceof BackendRejectedError) {
    return new ToolError('phone-rejected', 'The phone number was not accepted. Check it.');
  }
  if (!(error instanceof BackendUnavailableError) || NOT_APPLIED.has(error.reason)) return error;
  return new ToolError(
    'update-unconfirmed',
    'It is not known whether the phone number was changed. Look at the profile before trying again.',
  );
}
