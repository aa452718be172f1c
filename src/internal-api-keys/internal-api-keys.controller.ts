import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiHeader,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '../openapi/swagger.js';
import { CallingPrincipal } from '../auth/calling-principal.decorator.js';
import type { Principal } from '../api-keys/principal.js';
import { RequiresApiKey } from '../auth/requires-api-key.decorator.js';
import { ApiProblems } from '../openapi/api-problems.decorator.js';
import {
  type ApiKeyAnswer,
  type ApiKeyPage,
  type ApiKeyParameters,
  type CreateApiKey,
  type CreatedApiKey,
  type ListApiKeys,
  type RevokeApiKey,
  type RevokedApiKey,
  type RootKeysAnswer,
  type RotateApiKey,
  type RotatedApiKey,
  apiKeyAnswerSchema,
  apiKeyPageSchema,
  apiKeyParametersSchema,
  createApiKeySchema,
  createdApiKeySchema,
  listApiKeysSchema,
  revokeApiKeySchema,
  revokedApiKeySchema,
  rootKeysAnswerSchema,
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
import { IdempotencyKey } from './idempotency-key.decorator.js';

@ApiTags('keys')
@Controller('internal')
export class InternalApiKeysController {
  constructor(
    private readonly keys: ApiKeysService,
    private readonly usage: UsageService,
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
    standardSchema: rootKeysAnswerSchema,
  })
  async listRootKeys(): Promise<RootKeysAnswer> {
    return this.keys.listRootKeys();
  }

  @Get('api-keys/:id')
  @RequiresApiKey('keys:read')
  @ApiOperation({ operationId: 'getApiKey', summary: 'An issued key' })
  @ApiOkResponse({ description: 'The key', standardSchema: apiKeyAnswerSchema })
  @ApiProblems('INVALID_REQUEST', 'API_KEY_NOT_FOUND')
  async get(
    @Param({ schema: apiKeyParametersSchema }) { id }: ApiKeyParameters,
  ): Promise<{ apiKey: ApiKeyAnswer }> {
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

  @Post('api-keys')
  @RequiresApiKey('keys:write')
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
  @ApiProblems('INVALID_REQUEST', 'GRANT_EXCEEDS_CALLER', 'IDEMPOTENCY_KEY_REUSED')
  async create(
    @CallingPrincipal() caller: Principal,
    @Body({ schema: createApiKeySchema }) wanted: CreateApiKey,
    @IdempotencyKey() idempotencyKey?: string,
  ): Promise<CreatedApiKey> {
    return this.keys.create(caller, wanted, idempotencyKey);
  }

  @Post('api-keys/:id/rotate')
  @RequiresApiKey('keys:write')
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
    'GRANT_EXCEEDS_CALLER',
  )
  async rotate(
    @CallingPrincipal() caller: Principal,
    @Param({ schema: apiKeyParametersSchema }) { id }: ApiKeyParameters,
    @Body({ schema: rotateApiKeySchema }) wanted: RotateApiKey,
  ): Promise<RotatedApiKey> {
    return this.keys.rotate(caller, id, wanted);
  }

  @Post('api-keys/:id/revoke')
  @HttpCode(200)
  @RequiresApiKey('keys:write')
  @ApiOperation({ operationId: 'revokeApiKey', summary: 'End a key, everywhere and for ever' })
  @ApiOkResponse({
    description: 'The key, and whether every process refuses it now',
    standardSchema: revokedApiKeySchema,
  })
  @ApiProblems('INVALID_REQUEST', 'API_KEY_NOT_FOUND', 'LAST_WAY_IN')
  async revoke(
    @CallingPrincipal() caller: Principal,
    @Param({ schema: apiKeyParametersSchema }) { id }: ApiKeyParameters,
    @Body({ schema: revokeApiKeySchema }) wanted: RevokeApiKey,
  ): Promise<RevokedApiKey> {
    return this.keys.revoke(caller, id, wanted);
  }
}
