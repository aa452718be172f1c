import { Controller, Get, Header } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiProblems } from '../openapi/api-problems.decorator.js';
import { currentUserAnswerSchema } from '../users/user.schemas.js';
import { UsersService } from '../users/users.service.js';
import { RequiresUser } from './requires-user.decorator.js';
import { UserId } from './user-id.decorator.js';

@ApiTags('auth')
@Controller('auth')
export class AuthController {
  constructor(private readonly users: UsersService) {}

  @Get('me')
  @Header('content-type', 'application/json; charset=utf-8')
  @RequiresUser()
  @ApiOperation({ operationId: 'getMe', summary: 'The user whose access token this is' })
  @ApiOkResponse({ description: 'The user', standardSchema: currentUserAnswerSchema })
  @ApiProblems('USER_NOT_FOUND')
  async me(@UserId() userId: string): Promise<string> {
    return `{"user":${await this.users.get(userId)}}`;
  }
}
