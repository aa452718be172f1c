import { Module } from '@nestjs/common';
import { AccountsService } from './accounts.service.js';
import { UsersService } from './users.service.js';

@Module({
  providers: [UsersService, AccountsService],
  exports: [UsersService, AccountsService],
})
export class UsersModule {}
