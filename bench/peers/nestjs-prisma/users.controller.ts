import { Controller, Get, Param, UseGuards } from '@nestjs/common';
import { ApiKeyGuard } from './api-key.guard.js';
import { UsersService } from './users.service.js';

@Controller('internal/users')
@UseGuards(ApiKeyGuard)
export class UsersController {
  constructor(private readonly users: UsersService) {}

  @Get(':id')
  async get(@Param('id') id: string) {
    return { user: await this.users.get(id) };
  }
}
