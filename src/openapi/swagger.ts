import { applyDecorators } from '@nestjs/common';
import type * as Swagger from '@nestjs/swagger';

type Annotation = (swagger: typeof Swagger) => void;
type Decorate<Options extends unknown[]> = (
  ...options: Options
) => (ClassDecorator & MethodDecorator) | MethodDecorator;

const annotations: Annotation[] = [];

/**
 * Applies the decorators that the routes have requested with the functions below. Called only when
 * the OpenAPI document is created, because loading Swagger takes a fifth of the start time.
 */
export function annotateRoutes(swagger: typeof Swagger): void {
  for (const annotate of annotations.splice(0)) annotate(swagger);
}

function deferred<Options extends unknown[]>(find: (swagger: typeof Swagger) => Decorate<Options>) {
  return (...options: Options): ReturnType<typeof applyDecorators> =>
    (...target) => {
      annotations.push((swagger) => applyDecorators(find(swagger)(...options))(...target));
    };
}

export const ApiExtension = deferred((swagger) => swagger.ApiExtension);
export const ApiHeader = deferred((swagger) => swagger.ApiHeader);
export const ApiOperation = deferred((swagger) => swagger.ApiOperation);
export const ApiParam = deferred((swagger) => swagger.ApiParam);
export const ApiQuery = deferred((swagger) => swagger.ApiQuery);
export const ApiResponse = deferred((swagger) => swagger.ApiResponse);
export const ApiSecurity = deferred((swagger) => swagger.ApiSecurity);
export const ApiTags = deferred((swagger) => swagger.ApiTags);
