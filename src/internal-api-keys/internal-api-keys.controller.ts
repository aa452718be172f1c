import { Body, Controller, Param, Query, Req } from '@nestjs/common';
import { ApiTags } from '../openapi/swagger.js';
import type { FastifyRequest } from 'fastify';
import type { Principal } from '../api-keys/principal.js';
import { ActingUser, CallingPrincipal, optionalHeader } from '../auth/parameter.decorators.js';
import { Route } from '../auth/route.decorator.js';
import {
  type ApiKeyParameters,
  type CheckApiKey,
  type CreateApiKey,
  type ListApiKeys,
  type RevokeApiKey,
  type RotateApiKey,
  apiKeyResponseSchema,
  apiKeyPageSchema,
  apiKeyParametersSchema,
  checkApiKeySchema,
  checkedApiKeySchema,
  createApiKeySchema,
  createdApiKeySchema,
  idempotencyKeySchema,
  listApiKeysSchema,
  revokeApiKeySchema,
  revokedApiKeySchema,
  rootKeysResponseSchema,
  rotateApiKeySchema,
  rotatedApiKeySchema,
} from '../api-keys/api-key.schemas.js';
import { ApiKeysService } from '../api-keys/api-keys.service.js';
import { WrongKeyLimit } from '../limits/wrong-key-limit.js';
import {
  type RootKeyParameters,
  type UsageQuery,
  rootKeyParametersSchema,
  usageResponseSchema,
  usageQuerySchema,
} from '../usage/usage.schemas.js';
import { UsageService } from '../usage/usage.service.js';

const IdempotencyKey = optionalHeader(
  'Idempotency-Key',
  idempotencyKeySchema,
  'If the request is repeated with the same value within a day, no second key is created.',
);

@ApiTags('keys')
@Controller('internal')
export class InternalApiKeysController {
  constructor(
    private readonly keys: ApiKeysService,
    private readonly usage: UsageService,
    private readonly failures: WrongKeyLimit,
  ) {}

  @Route('GET', 'api-keys', 'keys:read', {
    summary: 'List issued keys',
    description:
      'Returns a page of all issued keys, oldest first, including expired and revoked keys.',
    response: apiKeyPageSchema,
  })
  async listApiKeys(@Query({ schema: listApiKeysSchema }) query: ListApiKeys) {
    return this.keys.list(query);
  }

  @Route('GET', 'root-keys', 'keys:read', {
    summary: 'List root keys',
    description: 'Returns the accepted root keys, the current one first.',
    response: rootKeysResponseSchema,
  })
  async listRootKeys() {
    return this.keys.listRootKeys();
  }

  @Route('GET', 'api-keys/:id', 'keys:read', {
    summary: 'Get an issued key',
    description: 'Returns all properties of the key except its secret.',
    response: apiKeyResponseSchema,
    problems: ['API_KEY_NOT_FOUND'],
  })
  async getApiKey(@Param({ schema: apiKeyParametersSchema }) { id }: ApiKeyParameters) {
    return { apiKey: await this.keys.get(id) };
  }

  @Route('GET', 'api-keys/:id/usage', 'keys:read', {
    summary: 'Get the usage of an issued key',
    description: 'Returns the number of requests with this key by hour, route and outcome.',
    response: usageResponseSchema,
    problems: ['API_KEY_NOT_FOUND'],
  })
  async getApiKeyUsage(
    @Param({ schema: apiKeyParametersSchema }) { id }: ApiKeyParameters,
    @Query({ schema: usageQuerySchema }) query: UsageQuery,
  ) {
    return { usage: await this.usage.ofIssuedKey(id, query) };
  }

  @Route('GET', 'root-keys/:id/usage', 'keys:read', {
    summary: 'Get the usage of a root key',
    description:
      'Returns the number of requests with this root key by hour, route and outcome. The id `none` stands for requests without a known key.',
    response: usageResponseSchema,
  })
  async getRootKeyUsage(
    @Param({ schema: rootKeyParametersSchema }) { id }: RootKeyParameters,
    @Query({ schema: usageQuerySchema }) query: UsageQuery,
  ) {
    return { usage: await this.usage.of(id, query) };
  }

  @Route('POST', 'api-keys/check', 'keys:read', {
    status: 200,
    summary: 'Check a key',
    description: 'Returns whether the server admits the key from `address`, and the reason if not.',
    response: checkedApiKeySchema,
  })
  async checkApiKey(
    @Req() { ip }: FastifyRequest,
    @Body({ schema: checkApiKeySchema }) input: CheckApiKey,
  ) {
    const checked = await this.keys.check(input);
    // Count an unknown key in the body as a wrong key, like an unknown key in the header.
    if (checked.keyId === null) this.failures.count(ip);
    return checked;
  }

  @Route('POST', 'api-keys', 'keys:write', {
    summary: 'Issue a key',
    description: 'Returns the key and its secret, which is shown only once.',
    response: createdApiKeySchema,
    problems: ['GRANT_EXCEEDS_CALLER', 'IDEMPOTENCY_KEY_REUSED', 'KEY_ENVIRONMENT_MISMATCH'],
  })
  async createApiKey(
    @CallingPrincipal() caller: Principal,
    @Body({ schema: createApiKeySchema }) input: CreateApiKey,
    @IdempotencyKey() idempotencyKey?: string,
    @ActingUser() actingUser?: string,
  ) {
    return this.keys.create({ ...caller, actingUser }, input, idempotencyKey);
  }

  @Route('POST', 'api-keys/:id/rotate', 'keys:write', {
    summary: 'Rotate a key',
    description:
      'Issues a successor with the same rights. The old key stays valid for the grace period.',
    response: rotatedApiKeySchema,
    problems: [
      'API_KEY_NOT_FOUND',
      'API_KEY_NOT_ACTIVE',
      'API_KEY_ALREADY_ROTATED',
      'KEY_ENVIRONMENT_MISMATCH',
      'GRANT_EXCEEDS_CALLER',
    ],
  })
  async rotateApiKey(
    @CallingPrincipal() caller: Principal,
    @Param({ schema: apiKeyParametersSchema }) { id }: ApiKeyParameters,
    @Body({ schema: rotateApiKeySchema }) input: RotateApiKey,
    @ActingUser() actingUser?: string,
  ) {
    return this.keys.rotate({ ...caller, actingUser }, id, input);
  }

  @Route('POST', 'api-keys/:id/revoke', 'keys:write', {
    status: 200,
    summary: 'Revoke a key',
    description: 'Revokes the key, and reports whether every instance already refuses it.',
    response: revokedApiKeySchema,
    problems: ['API_KEY_NOT_FOUND', 'LAST_WAY_IN'],
  })
  async revokeApiKey(
    @CallingPrincipal() caller: Principal,
    @Param({ schema: apiKeyParametersSchema }) { id }: ApiKeyParameters,
    @Body({ schema: revokeApiKeySchema }) input: RevokeApiKey,
    @ActingUser() actingUser?: string,
  ) {
    return this.keys.revoke({ ...caller, actingUser }, id, input);
  }
}
