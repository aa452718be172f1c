import { Body, Controller, Get, HttpCode, Param, Post, Query, Req } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiHeader,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { CallingPrincipal } from '../auth/calling-principal.decorator.js';
import type { Principal } from '../api-keys/principal.js';
import { RequiresApiKey } from '../auth/requires-api-key.decorator.js';
import { ApiProblems } from '../openapi/api-problems.decorator.js';
import {
  type ApiKey,
  type ApiKeyPage,
  type ApiKeyParameters,
  type CheckApiKey,
  type CheckedApiKey,
  type CreateApiKey,
  type CreatedApiKey,
  type ListApiKeys,
  type RevokeApiKey,
  type RevokedApiKey,
  type RootKeysResponse,
  type RotateApiKey,
  type RotatedApiKey,
  apiKeyResponseSchema,
  apiKeyPageSchema,
  apiKeyParametersSchema,
  checkApiKeySchema,
  checkedApiKeySchema,
  createApiKeySchema,
  createdApiKeySchema,
  listApiKeysSchema,
  revokeApiKeySchema,
  revokedApiKeySchema,
  rootKeysResponseSchema,
  rotateApiKeySchema,
  rotatedApiKeySchema,
} from '../api-keys/api-key.schemas.js';
import { ApiKeysService } from '../api-keys/api-keys.service.js';
import {
  type RootKeyParameters,
  type Usage,
  type UsageQuery,
  rootKeyParametersSchema,
  usageAnswerSchema,
  usageQuerySchema,
} from '../usage/usage.schemas.js';
import { UsageService } from '../usage/usage.service.js';
import { ActingUser, ApiActingUser } from '../internal-users/acting-user.decorator.js';
import { WrongKeyLimit } from '../limits/wrong-key-limit.js';
import { IdempotencyKey } from './idempotency-key.decorator.js';

@ApiTags('keys')
@Controller('internal')
export class InternalApiKeysController {
  constructor(
    private readonly keys: ApiKeysService,
    private readonly usage: UsageService,
    private readonly failures: WrongKeyLimit,
  ) {}

  @Get('api-keys')
  @RequiresApiKey('keys:read')
  @ApiOperation({
    operationId: 'listApiKeys',
    summary: 'A page of all issued keys, ended ones too',
  })
  @ApiOkResponse({ description: 'The keys, oldest first', standardSchema: apiKeyPageSchema })
  @ApiProblems('INVALID_REQUEST')
  async list(@Query({ schema: listApiKeysSchema }) query: ListApiKeys): Promise<ApiKeyPage> {
    return this.keys.list(query);
  }

  @Get('root-keys')
  @RequiresApiKey('keys:read')
  @ApiOperation({ operationId: 'listRootKeys', summary: 'The root keys that are in force' })
  @ApiOkResponse({
    description: 'The keys, the current one first',
    standardSchema: rootKeysResponseSchema,
  })
  async listRootKeys(): Promise<RootKeysResponse> {
    return this.keys.listRootKeys();
  }

  @Get('api-keys/:id')
  @RequiresApiKey('keys:read')
  @ApiOperation({ operationId: 'getApiKey', summary: 'An issued key' })
  @ApiOkResponse({ description: 'The key', standardSchema: apiKeyResponseSchema })
  @ApiProblems('INVALID_REQUEST', 'API_KEY_NOT_FOUND')
  async get(
    @Param({ schema: apiKeyParametersSchema }) { id }: ApiKeyParameters,
  ): Promise<{ apiKey: ApiKey }> {
    return { apiKey: await this.keys.get(id) };
  }

  @Get('api-keys/:id/usage')
  @RequiresApiKey('keys:read')
  @ApiOperation({ operationId: 'getApiKeyUsage', summary: 'How often a key was used, by hour' })
  @ApiOkResponse({ description: 'The usage', standardSchema: usageAnswerSchema })
  @ApiProblems('INVALID_REQUEST', 'API_KEY_NOT_FOUND')
  async usageOf(
    @Param({ schema: apiKeyParametersSchema }) { id }: ApiKeyParameters,
    @Query({ schema: usageQuerySchema }) query: UsageQuery,
  ): Promise<{ usage: Usage }> {
    return { usage: await this.usage.ofIssuedKey(id, query) };
  }

  @Get('root-keys/:id/usage')
  @RequiresApiKey('keys:read')
  @ApiOperation({
    operationId: 'getRootKeyUsage',
    summary: 'How often a root key was used, by hour',
  })
  @ApiOkResponse({ description: 'The usage', standardSchema: usageAnswerSchema })
  @ApiProblems('INVALID_REQUEST')
  async usageOfRootKey(
    @Param({ schema: rootKeyParametersSchema }) { id }: RootKeyParameters,
    @Query({ schema: usageQuerySchema }) query: UsageQuery,
  ): Promise<{ usage: Usage }> {
    return { usage: await this.usage.of(id, query) };
  }

  @Post('api-keys/check')
  @HttpCode(200)
  @RequiresApiKey('keys:read')
  @ApiOperation({
    operationId: 'checkApiKey',
    summary: 'Whether the server admits a key, and why not',
  })
  @ApiOkResponse({ description: 'The verdict', standardSchema: checkedApiKeySchema })
  @ApiProblems('INVALID_REQUEST')
  async check(
    @Req() { ip }: FastifyRequest,
    @Body({ schema: checkApiKeySchema }) input: CheckApiKey,
  ): Promise<CheckedApiKey> {
    const checked = await this.keys.check(input);
    // Guesses count as those in a header do.
    if (checked.keyId === null) this.failures.count(ip);
    return checked;
  }

  @Post('api-keys')
  @RequiresApiKey('keys:write')
  @ApiActingUser()
  @ApiOperation({ operationId: 'createApiKey', summary: 'Issue a key' })
  @ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    description: 'With the same one, a repetition within a day makes no second key.',
  })
  @ApiCreatedResponse({
    description: 'The key and its secret',
    standardSchema: createdApiKeySchema,
  })
  @ApiProblems(
    'INVALID_REQUEST',
    'GRANT_EXCEEDS_CALLER',
    'IDEMPOTENCY_KEY_REUSED',
    'KEY_ENVIRONMENT_MISMATCH',
  )
  async create(
    @CallingPrincipal() caller: Principal,
    @Body({ schema: createApiKeySchema }) input: CreateApiKey,
    @IdempotencyKey() idempotencyKey?: string,
    @ActingUser() actingUser?: string,
  ): Promise<CreatedApiKey> {
    return this.keys.create({ ...caller, actingUser }, input, idempotencyKey);
  }

  @Post('api-keys/:id/rotate')
  @RequiresApiKey('keys:write')
  @ApiActingUser()
  @ApiOperation({ operationId: 'rotateApiKey', summary: 'Make the successor of a key' })
  @ApiCreatedResponse({
    description: 'The successor, its secret, and the key before it',
    standardSchema: rotatedApiKeySchema,
  })
  @ApiProblems(
    'INVALID_REQUEST',
    'API_KEY_NOT_FOUND',
    'API_KEY_NOT_ACTIVE',
    'API_KEY_ALREADY_ROTATED',
    'KEY_ENVIRONMENT_MISMATCH',
    'GRANT_EXCEEDS_CALLER',
  )
  async rotate(
    @CallingPrincipal() caller: Principal,
    @Param({ schema: apiKeyParametersSchema }) { id }: ApiKeyParameters,
    @Body({ schema: rotateApiKeySchema }) input: RotateApiKey,
    @ActingUser() actingUser?: string,
  ): Promise<RotatedApiKey> {
    return this.keys.rotate({ ...caller, actingUser }, id, input);
  }

  @Post('api-keys/:id/revoke')
  @HttpCode(200)
  @RequiresApiKey('keys:write')
  @ApiActingUser()
  @ApiOperation({ operationId: 'revokeApiKey', summary: 'End a key, everywhere and for ever' })
  @ApiOkResponse({
    description: 'The key, and whether every process refuses it now',
    standardSchema: revokedApiKeySchema,
  })
  @ApiProblems('INVALID_REQUEST', 'API_KEY_NOT_FOUND', 'LAST_WAY_IN')
  async revoke(
    @CallingPrincipal() caller: Principal,
    @Param({ schema: apiKeyParametersSchema }) { id }: ApiKeyParameters,
    @Body({ schema: revokeApiKeySchema }) input: RevokeApiKey,
    @ActingUser() actingUser?: string,
  ): Promise<RevokedApiKey> {
    return this.keys.revoke({ ...caller, actingUser }, id, input);
  }
}
