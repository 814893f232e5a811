// What the Node peers share: the SQL of rest/store.go as named prepared statements, its check of addresses, and of tokens.
import pg from 'pg';
import jwt from 'jsonwebtoken';
import DataLoader from 'dataloader';
import { readFileSync } from 'node:fs';
import { randomBytes, createHash } from 'node:crypto';
export const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 16, idleTimeoutMillis: 0 });
export const typeDefs = readFileSync(new URL('schema.graphql', import.meta.url), 'utf8');
export const addr = { host: '127.0.0.1', port: +process.env.PORT };
const secret = process.env.JWT_SECRET;
export function viewerOf(h) {
  if (!h || !h.startsWith('Bearer ')) return null;
  try { return +jwt.verify(h.slice(7), secret, { algorithms: ['HS256'] }).sub; } catch { return null; }
}
const q = (name, text, values) => pool.query({ name, text, values }).then((r) => r.rows);
const iso = (r) => ({ id: r.id, email: r.email, role: r.role, status: r.status, expiresAt: r.expires_at.toISOString() });
export class Refused extends Error {}
const EMAIL = /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}$/;
export const validEmail = (e) => e.length <= 254 && EMAIL.test(e);

export async function instance(id, uid) {
  const [r] = await q('inst', `select i.id,i.name,i.kind,s.id sid,s.name sname,m.role from instances i join spaces s on s.id=i.space_id left join instance_members m on m.instance_id=i.id and m.user_id=$2 where i.id=$1 and i.deleted_at is null`, [id, uid]);
  return r ? { id: r.id, name: r.name, kind: r.kind, space: { id: r.sid, name: r.sname }, viewerRole: r.role } : null;
}
export const space = async (id) => (await q('space', `select id,name from spaces where id=$1`, [id]))[0] ?? null;
export const instances = (id, first) => q('insts', `select id,name,kind,space_id from instances where space_id=$1 and deleted_at is null order by id limit $2`, [id, first]);
const group = (n, rows, f) => { const o = Array.from({ length: n }, () => []); for (const r of rows) o[r.ord - 1].push(f(r)); return o; };
export const members = async (ids, first) => group(ids.length, await q('mem', `select x.ord,m.role,u.id,u.name,u.email from unnest($1::bigint[]) with ordinality x(id,ord) cross join lateral (select user_id,role from instance_members where instance_id=x.id order by user_id limit $2) m join users u on u.id=m.user_id order by x.ord,m.user_id`, [ids, first]),
  (r) => ({ role: r.role, user: { id: r.id, name: r.name, email: r.email } }));
export const pending = async (ids, first) => group(ids.length, await q('pend', `select x.ord,v.id,v.email,v.role,v.status,v.expires_at from unnest($1::bigint[]) with ordinality x(id,ord) cross join lateral (select id,email,role,status,expires_at from invitations where instance_id=x.id and status='PENDING' order by id limit $2) v order by x.ord,v.id`, [ids, first]), iso);
export async function viewerRoles(ids, uid) {
  const m = new Map((await q('roles', `select instance_id,role from instance_members where user_id=$2 and instance_id=any($1)`, [ids, uid])).map((r) => [r.instance_id, r.role]));
  return ids.map((i) => m.get(i) ?? null);
}
async function diagnose(id, uid) {
  const [r] = await q('check', `select i.kind, i.deleted_at is not null deleted, exists(select 1 from space_admins a where a.space_id=i.space_id and a.user_id=$2) admin from instances i where i.id=$1`, [id, uid]);
  if (!r || r.deleted) throw new Refused('NOT_FOUND');
  if (!r.admin) throw new Refused('FORBIDDEN');
  if (r.kind === 'DISTRIBUTED') throw new Refused('DISTRIBUTED');
}
export async function invite(id, uid, list) {
  const errors = [];
  list.forEach((v, index) => { if (!validEmail(v.email)) errors.push({ index, email: v.email, code: 'INVALID_EMAIL', message: 'not a valid e-mail address' }); });
  if (errors.length) { await diagnose(id, uid); return { invitations: [], errors }; }
  const tok = () => createHash('sha256').update(randomBytes(32)).digest();
  const rows = await q('inv', `with chk as materialized (select i.id from instances i where i.id=$1 and i.deleted_at is null and i.kind<>'DISTRIBUTED' and exists(select 1 from space_admins a where a.space_id=i.space_id and a.user_id=$2)),
ins as (insert into invitations(instance_id,email,role,status,invited_by,token_hash,expires_at)
 select chk.id,t.email,t.role,'PENDING',$2,t.th,now()+interval '7 days' from chk, unnest($3::text[],$4::text[],$5::bytea[]) with ordinality t(email,role,th,ord) order by t.ord returning id,email,role,status,expires_at),
ob as (insert into outbox(kind,payload) select 'INVITATION_MAIL',jsonb_build_object('invitationId',id,'email',email) from ins)
select id,email,role,status,expires_at from ins`, [id, uid, list.map((v) => v.email), list.map((v) => v.role), list.map(tok)]);
  if (!rows.length && list.length) { await diagnose(id, uid); throw new Refused('NOT_FOUND'); }
  return { invitations: rows.map(iso), errors };
}
// Resolvers with a DataLoader for each nested list of a request, for Apollo.
const perArg = (f) => { const m = new Map(); return (id, first) => { let l = m.get(first); if (!l) m.set(first, l = new DataLoader((ids) => f(ids, first))); return l.load(id); }; };
export const context = (uid) => ({ uid, members: perArg(members), pending: perArg(pending), role: new DataLoader((ids) => viewerRoles(ids, uid)) });
export const resolvers = {
  Query: { instance: (_, { id }, c) => instance(id, c.uid), space: (_, { id }) => space(id) },
  Mutation: { inviteToInstance: (_, a, c) => invite(a.instanceId, c.uid, a.invitations) },
  Space: { instances: async (s, { first }) => (await instances(s.id, first)).map((i) => ({ ...i, space: s })) },
  Instance: {
    viewerRole: (i, _, c) => (i.viewerRole !== undefined ? i.viewerRole : c.role.load(i.id)),
    members: (i, { first }, c) => c.members(i.id, first),
    pendingInvitations: (i, { first }, c) => c.pending(i.id, first),
  },
};
