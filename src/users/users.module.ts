import { Module } from '@nestjs/common';
import { AccountLookups } from './account-lookups.js';
import { AccountsService } from './accounts.service.js';
import { UserLookups } from './user-lookups.js';
import { UsersService } from './users.service.js';

@Module({
  providers: [UserLookups, AccountLookups, UsersService, AccountsService],
  exports: [UserLookups, AccountLookups, UsersService, AccountsService],
})
export class UsersModule {}
