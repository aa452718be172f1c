import { Body, Controller, Param, Query, Req } from '@nestjs/common';
import { ApiTags } from '../openapi/swagger.js';
import type { Principal } from '../api-keys/principal.js';
import type { KeyedRequest } from '../auth/api-key.guard.js';
import { ActingUser, CallingPrincipal } from '../auth/parameter.decorators.js';
import { Route } from '../auth/route.decorator.js';
import { EnumerationLimit, type UniqueValues } from '../limits/enumeration-limit.js';
import { WriteSlots } from '../limits/write-slots.js';
import { ApiParameters } from '../openapi/api-parameters.decorator.js';
import { validated } from '../problems/invalid-request.js';
import {
  type Account,
  type ListAccounts,
  accountsResponseSchema,
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
  getUserQuerySchema,
  listUsersSchema,
  searchUsersSchema,
  updateUserSchema,
  userResponseSchema,
  userPageSchema,
  userPageWithAccountsSchema,
  userParametersSchema,
  userWithAccountsSchema,
} from '../users/user.schemas.js';
import { UsersService } from '../users/users.service.js';
import {
  requireDeletable,
  requireReadable,
  requireScope,
  requireWritable,
  visiblePageJson,
  visibleUserJson,
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

  @Route('GET', '', 'users:read', {
    summary: 'List users',
    description:
      'With `ids`, returns the users with these ids in the same order, and omits ids that no user has. Otherwise returns a page of all users, ordered by id.',
    response: userPageWithAccountsSchema,
  })
  async listUsers(
    @CallingPrincipal() caller: Principal,
    @Query({ schema: listUsersSchema }) query: ListUsers,
  ): Promise<string> {
    const { ids = [], include } = query;
    if (include !== undefined) requireScope(caller, 'accounts:read');
    this.limit.recordLookup(caller, ids);
    const page = await (include === undefined
      ? this.users.list(query)
      : this.accounts.listUsers(ids));
    const found = page.users.map(({ id }) => id);
    const missing = ids.filter((id) => !found.includes(id));
    this.limit.recordResults(caller, found, missing);
    return visiblePageJson(caller, page);
  }

  @Route('GET', ':id', 'users:read', {
    summary: 'Get a user',
    description: 'Returns the user with the fields that the key may read.',
    response: userWithAccountsSchema,
    problems: ['USER_NOT_FOUND'],
  })
  @ApiParameters(userParametersSchema, getUserQuerySchema)
  // Validates the parameters without `@Param` and `@Query`, whose pipes would take a tenth of a
  // request's time.
  async getUser(@Req() { principal: caller, params, query }: KeyedRequest): Promise<string> {
    const { id } = validated(userParametersSchema, params);
    const { include } = validated(getUserQuerySchema, query);
    if (include === undefined) {
      const user = await this.limit.runLookup(caller, id, () => this.users.get(id));
      return visibleUserJson(caller, user);
    }
    requireScope(caller, 'accounts:read');
    const user = await this.limit.runLookup(caller, id, () => this.accounts.getUser(id));
    return visibleUserJson(caller, user.json, user.accounts);
  }

  @Route('POST', 'search', 'users:read', {
    status: 200,
    summary: 'Search users',
    description:
      'Returns a page of the users with the given `email` or the given `phone`. Give exactly one of the two. The key must be allowed to read this field.',
    response: userPageSchema,
    problems: ['FIELD_NOT_ALLOWED'],
  })
  async searchUsers(
    @CallingPrincipal() caller: Principal,
    @Body({ schema: searchUsersSchema }) search: SearchUsers,
  ): Promise<string> {
    requireReadable(caller, search);
    this.limit.recordLookup(caller, []);
    const page = await this.users.search(search);
    const found = page.users.map(({ id }) => id);
    const criteria = [search.email, search.phone].filter((value) => value !== undefined);
    this.limit.recordResults(caller, found, found.length === 0 ? criteria : []);
    return visiblePageJson(caller, page);
  }

  @Route('POST', '', 'users:write', {
    summary: 'Create a user',
    description: 'Returns the new user with the fields that the key may read.',
    response: userResponseSchema,
    problems: ['FIELD_NOT_ALLOWED', 'USER_ID_TAKEN', 'EMAIL_TAKEN'],
  })
  async createUser(
    @CallingPrincipal() caller: Principal,
    @Body({ schema: createUserSchema }) user: CreateUser,
    @ActingUser() actingUser?: string,
  ): Promise<string> {
    requireWritable(caller, user);
    const created = await this.write(caller, [], user, () =>
      this.users.create(user, { ...caller, actingUser }),
    );
    return visibleUserJson(caller, created);
  }

  @Route('PATCH', ':id', 'users:write', {
    summary: 'Update a user',
    description:
      'Changes the given fields. Returns the user with the fields that the key may read.',
    response: userResponseSchema,
    problems: ['FIELD_NOT_ALLOWED', 'USER_NOT_FOUND', 'EMAIL_TAKEN'],
  })
  async updateUser(
    @CallingPrincipal() caller: Principal,
    @Param({ schema: userParametersSchema }) { id }: UserParameters,
    @Body({ schema: updateUserSchema }) changes: UpdateUser,
    @ActingUser() actingUser?: string,
  ): Promise<string> {
    requireWritable(caller, changes);
    const updated = await this.write(caller, [id], { id, email: changes.email }, () =>
      this.users.update(id, changes, { ...caller, actingUser }),
    );
    return visibleUserJson(caller, updated);
  }

  @Route('DELETE', ':id', 'users:write', {
    summary: 'Delete a user',
    description: 'Deletes a user that has no accounts.',
    problems: ['FIELD_NOT_ALLOWED', 'USER_NOT_FOUND', 'USER_HAS_ACCOUNTS'],
  })
  async deleteUser(
    @CallingPrincipal() caller: Principal,
    @Param({ schema: userParametersSchema }) { id }: UserParameters,
    @ActingUser() actingUser?: string,
  ): Promise<void> {
    requireDeletable(caller);
    await this.write(caller, [id], { id }, () => this.users.delete(id, { ...caller, actingUser }));
  }

  @Route('GET', ':id/accounts', 'accounts:read', {
    summary: 'List the accounts of a user',
    description:
      'Returns the accounts of the user, oldest first. With `type`, returns only the accounts of this type.',
    response: accountsResponseSchema,
    problems: ['USER_NOT_FOUND'],
  })
  async listAccounts(
    @CallingPrincipal() caller: Principal,
    @Param({ schema: userParametersSchema }) { id }: UserParameters,
    @Query({ schema: listAccountsSchema }) { type }: ListAccounts,
  ): Promise<{ accounts: Account[] }> {
    const { accounts } = await this.limit.runLookup(caller, id, () => this.accounts.getUser(id));
    return { accounts: accounts.filter((account) => type === undefined || account.type === type) };
  }

  private async write<Result>(
    caller: Principal,
    known: readonly string[],
    values: UniqueValues,
    operation: () => Promise<Result>,
  ): Promise<Result> {
    return this.writes.run(caller, values.id, () =>
      this.limit.runWrite(caller, known, values, operation),
    );
  }
}
