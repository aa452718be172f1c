/** The format of a user id, which is the `sub` of an access token. */
export const USER_ID = /^[A-Za-z0-9_-]{1,64}$/;
