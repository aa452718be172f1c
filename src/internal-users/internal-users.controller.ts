import {
  Body,
  Controller,
  Delete,
  Get,
  Header,
  HttpCode,
  Param,
  Patch,
  Post,
  Query,
  Req,
} from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '../openapi/swagger.js';
import type { Principal } from '../api-keys/principal.js';
import { CallingPrincipal } from '../auth/calling-principal.decorator.js';
import type { KeyedRequest } from '../auth/request.js';
import { RequiresApiKey } from '../auth/requires-api-key.decorator.js';
import { validated } from '../problems/invalid-request.js';
import { EnumerationLimit } from '../limits/enumeration-limit.js';
import { WriteSlots } from '../limits/write-slots.js';
import { ApiPathParameter } from '../openapi/api-path-parameter.decorator.js';
import { ApiProblems } from '../openapi/api-problems.decorator.js';
import {
  type Account,
  accountsAnswerSchema,
  listAccountsSchema,
} from '../users/account.schemas.js';
import { AccountsService } from '../users/accounts.service.js';
import {
  type CreateUser,
  type ListUsers,
  type SearchUsers,
  type UpdateUser,
  type UserParameters,
  createUserSchema,
  listUsersSchema,
  searchUsersSchema,
  updateUserSchema,
  userIdSchema,
  userParametersSchema,
  visibleUserAnswerSchema,
  visibleUserPageSchema,
} from '../users/user.schemas.js';
import { UsersService } from '../users/users.service.js';
import { ActingUser, ApiActingUser } from './acting-user.decorator.js';
import {
  JSON_CONTENT_TYPE,
  readableFields,
  refuseDeletion,
  visiblePageText,
  visibleUserText,
  writableFields,
} from './field-access.js';

@ApiTags('users')
@Controller('internal/users')
export class InternalUsersController {
  constructor(
    private readonly users: UsersService,
    private readonly accounts: AccountsService,
    private readonly limit: EnumerationLimit,
    private readonly writes: WriteSlots,
  ) {}

  @Get()
  @Header('content-type', JSON_CONTENT_TYPE)
  @RequiresApiKey('users:read')
  @ApiOperation({ operationId: 'listUsers', summary: 'Users by ids, or a page of all of them' })
  @ApiOkResponse({ description: 'The users', standardSchema: visibleUserPageSchema })
  @ApiProblems('INVALID_REQUEST', 'ENUMERATION_LIMITED')
  async list(
    @CallingPrincipal() caller: Principal,
    @Query({ schema: listUsersSchema }) query: ListUsers,
  ): Promise<string> {
    const { ids = [] } = query;
    this.limit.recordLookup(caller, ids);
    const page = await this.users.list(query);
    const found = page.users.map(({ id }) => id);
    const missing = ids.filter((id) => !found.includes(id));
    this.limit.recordResults(caller, found, missing);
    return visiblePageText(caller, page);
  }

  @Get(':id')
  @Header('content-type', JSON_CONTENT_TYPE)
  @RequiresApiKey('users:read')
  @ApiOperation({ operationId: 'getUser', summary: 'The user with an id' })
  @ApiPathParameter('id', userIdSchema)
  @ApiOkResponse({ description: 'The user', standardSchema: visibleUserAnswerSchema })
  @ApiProblems('INVALID_REQUEST', 'USER_NOT_FOUND', 'ENUMERATION_LIMITED')
  // Not `@CallingPrincipal()` and `@Param()`: Nest sends what they find through the pipes, which takes a tenth of the request.
  async get(@Req() { principal: caller, params }: KeyedRequest): Promise<string> {
    const { id } = validated(userParametersSchema, params);
    const text = await this.limit.runLookup(caller, id, () => this.users.getText(id));
    return visibleUserText(caller, text);
  }

  @Post('search')
  @HttpCode(200)
  @Header('content-type', JSON_CONTENT_TYPE)
  @RequiresApiKey('users:read')
  @ApiOperation({ operationId: 'searchUsers', summary: 'Users with an email or a phone number' })
  @ApiOkResponse({
    description: 'The users that match, if any',
    standardSchema: visibleUserPageSchema,
  })
  @ApiProblems('INVALID_REQUEST', 'FIELD_NOT_ALLOWED', 'ENUMERATION_LIMITED')
  async search(
    @CallingPrincipal() caller: Principal,
    @Body({ schema: searchUsersSchema }) search: SearchUsers,
  ): Promise<string> {
    const allowed = readableFields(caller, search);
    this.limit.recordLookup(caller, []);
    const page = await this.users.search(allowed);
    const found = page.users.map(({ id }) => id);
    this.limit.recordResults(caller, found, found.length === 0 ? criteriaOf(search) : []);
    return visiblePageText(caller, page);
  }

  @Post()
  @Header('content-type', JSON_CONTENT_TYPE)
  @RequiresApiKey('users:write')
  @ApiActingUser()
  @ApiOperation({ operationId: 'createUser', summary: 'Add a user' })
  @ApiCreatedResponse({ description: 'The new user', standardSchema: visibleUserAnswerSchema })
  @ApiProblems(
    'INVALID_REQUEST',
    'FIELD_NOT_ALLOWED',
    'USER_ID_TAKEN',
    'EMAIL_TAKEN',
    'ENUMERATION_LIMITED',
  )
  async create(
    @CallingPrincipal() caller: Principal,
    @Body({ schema: createUserSchema }) user: CreateUser,
    @ActingUser() actingUser?: string,
  ): Promise<string> {
    const allowed = writableFields(caller, user);
    const author = { keyId: caller.keyId, actingUser };
    const created = await this.writes.run(caller, user.id, () =>
      this.limit.runCreation(caller, user, () => this.users.create(allowed, author)),
    );
    return visibleUserText(caller, created);
  }

  @Patch(':id')
  @Header('content-type', JSON_CONTENT_TYPE)
  @RequiresApiKey('users:write')
  @ApiActingUser()
  @ApiOperation({ operationId: 'updateUser', summary: 'Change fields of a user' })
  @ApiOkResponse({
    description: 'The user after the change',
    standardSchema: visibleUserAnswerSchema,
  })
  @ApiProblems(
    'INVALID_REQUEST',
    'FIELD_NOT_ALLOWED',
    'USER_NOT_FOUND',
    'EMAIL_TAKEN',
    'ENUMERATION_LIMITED',
  )
  async update(
    @CallingPrincipal() caller: Principal,
    @Param({ schema: userParametersSchema }) { id }: UserParameters,
    @Body({ schema: updateUserSchema }) changes: UpdateUser,
    @ActingUser() actingUser?: string,
  ): Promise<string> {
    const allowed = writableFields(caller, changes);
    const author = { keyId: caller.keyId, actingUser };
    const target = { id, email: changes.email };
    const updated = await this.writes.run(caller, id, () =>
      this.limit.runChange(caller, target, () => this.users.update(id, allowed, author)),
    );
    return visibleUserText(caller, updated);
  }

  @Delete(':id')
  @HttpCode(204)
  @RequiresApiKey('users:write')
  @ApiActingUser()
  @ApiOperation({ operationId: 'deleteUser', summary: 'Delete a user who has no accounts' })
  @ApiNoContentResponse({ description: 'Deleted' })
  @ApiProblems(
    'INVALID_REQUEST',
    'FIELD_NOT_ALLOWED',
    'USER_NOT_FOUND',
    'USER_HAS_ACCOUNTS',
    'ENUMERATION_LIMITED',
  )
  async delete(
    @CallingPrincipal() caller: Principal,
    @Param({ schema: userParametersSchema }) { id }: UserParameters,
    @ActingUser() actingUser?: string,
  ): Promise<void> {
    refuseDeletion(caller);
    const author = { keyId: caller.keyId, actingUser };
    await this.writes.run(caller, id, () =>
      this.limit.runChange(caller, { id }, () => this.users.delete(id, author)),
    );
  }

  @Get(':id/accounts')
  @RequiresApiKey('accounts:read')
  @ApiOperation({ operationId: 'listAccounts', summary: 'The accounts of a user' })
  @ApiOkResponse({
    description: 'The accounts, oldest first',
    standardSchema: accountsAnswerSchema,
  })
  @ApiProblems('INVALID_REQUEST', 'USER_NOT_FOUND', 'ENUMERATION_LIMITED')
  async listAccounts(
    @CallingPrincipal() caller: Principal,
    @Param({ schema: userParametersSchema }) { id }: UserParameters,
    @Query({ schema: listAccountsSchema }) { type }: { type?: Account['type'] },
  ): Promise<{ accounts: Account[] }> {
    const accounts = await this.limit.runLookup(caller, id, () => this.accounts.listOf(id, type));
    return { accounts };
  }
}

function criteriaOf({ email, phone }: SearchUsers): string[] {
  return [email, phone].filter((value) => value !== undefined);
}
