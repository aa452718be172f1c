import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { ProblemException } from '../http/problem.js';
import { DeclaredAccess } from './declared-access.js';

/** Runs before every other guard and refuses a route that declares nobody who may call it. */
@Injectable()
export class ClosedByDefaultGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    const access = this.reflector.getAllAndOverride(DeclaredAccess, [
      context.getHandler(),
      context.getClass(),
    ]);
    if (access === undefined) throw new ProblemException('ACCESS_NOT_DECLARED');
    return true;
  }
}
