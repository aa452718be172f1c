import { Injectable } from '@nestjs/common';
import { isValidPhoneNumber } from 'libphonenumber-js';
import { z } from 'zod';
import type { User } from '../auth/user.js';
import type { CallOptions } from '../backend/backend-calls.js';
import { BackendClient } from '../backend/backend-client.js';
import { BackendRejectedError, BackendUnavailableError } from '../backend/backend-errors.js';
import { type Tool, type ToolAnswer, ToolError } from './tool.js';
import { requireFields, requirePermission } from './user-requirements.js';

const inputSchema = z.strictObject({
  phone: z
    .string()
    .regex(/^\+[1-9]\d{1,14}$/, 'must be in E.164 format, such as +12025550123')
    .refine((phone) => isValidPhoneNumber(phone), 'must be a valid phone number')
    .describe('The new number in E.164 format, such as +12025550123.'),
});

const outputSchema = z.object({ phone: z.string().describe('The number that is stored now.') });

@Injectable()
export class UpdatePhoneTool implements Tool<typeof inputSchema, typeof outputSchema> {
  readonly name = 'update_phone';
  readonly title = 'Change phone number';
  readonly description =
    'Changes the phone number in the user’s profile. Ask the user to confirm the number first.';
  readonly scope = 'profile:write';
  readonly annotations = {
    readOnlyHint: false,
    destructiveHint: true,
    idempotentHint: true,
    openWorldHint: false,
  };
  readonly input = inputSchema;
  readonly output = outputSchema;

  constructor(private readonly backend: BackendClient) {}

  async run(
    { phone }: z.infer<typeof inputSchema>,
    user: User,
    options: CallOptions,
  ): Promise<ToolAnswer<z.infer<typeof outputSchema>>> {
    const details = await this.backend.getUserDetails(user.id, options);
    // The permissions of a placeholder user say nothing about this user.
    if (details.source === 'fallback') throw new BackendUnavailableError('status', true);
    requirePermission(requireFields(details, ['permissions']), 'configure');
    try {
      const updated = await this.backend.updatePhone(user.id, phone, options);
      return {
        message: 'The phone number has been changed.',
        structured: { phone: updated.phone ?? phone },
      };
    } catch (error) {
      throw explain(error);
    }
  }
}

function explain(error: unknown): unknown {
  if (error instanceof BackendRejectedError) {
    return new ToolError('phone-rejected', 'The phone number was not accepted. Check it.');
  }
  const notSent = error instanceof BackendUnavailableError && NOT_SENT.has(error.reason);
  if (!(error instanceof BackendUnavailableError) || notSent) return error;
  return new ToolError(
    'update-unconfirmed',
    'It is not known whether the phone number was changed. Look at the profile before trying again.',
  );
}

const NOT_SENT = new Set<string>(['circuit-open', 'too-many-calls', 'rate-limited']);
