import type { InstanceRole, Role } from './generated/graphql'

// A test in internal/tenant compares these lists with the gateway's roles.

/** The roles that people are invited with to an instance, the least powerful one first. */
export const instanceRoles = ['VIEWER', 'EDITOR'] as const satisfies InstanceRole[]

/** All roles. Of several that a person has in an instance, the page shows the first. */
export const roles = [
  'SPACE_ADMINISTRATOR',
  'INSTANCE_EDITOR',
  'INSTANCE_VIEWER',
  'ORGANIZATION_MANAGER',
  'ORGANIZATION_FACULTY',
  'ORGANIZATION_MEMBER',
] as const satisfies Role[]
