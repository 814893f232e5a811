import Fastify from 'fastify';
import mercurius from 'mercurius';
import { typeDefs, resolvers, viewerOf, addr, members, pending, viewerRoles } from './common.mjs';
const app = Fastify({ bodyLimit: 4 << 20 });
app.addHook('onRequest', async (req, reply) => {
  req.uid = viewerOf(req.headers.authorization);
  if (req.uid == null) return reply.code(401).send({ errors: [{ message: 'unauthenticated' }] });
});
const byArg = (f) => async (queries, ctx) => {
  const first = queries[0].params.first; // one selection per request here
  return f(queries.map((x) => x.obj.id), first, ctx);
};
await app.register(mercurius, {
  schema: typeDefs,
  resolvers: { Query: resolvers.Query, Mutation: resolvers.Mutation, Space: resolvers.Space },
  loaders: {
    Instance: {
      members: { loader: byArg(members), opts: { cache: false } },
      pendingInvitations: { loader: byArg(pending), opts: { cache: false } },
      viewerRole: { async loader(queries, ctx) {
        const need = queries.filter((x) => x.obj.viewerRole === undefined).map((x) => x.obj.id);
        const got = need.length ? await viewerRoles(need, ctx.uid) : [];
        let k = 0;
        return queries.map((x) => (x.obj.viewerRole === undefined ? got[k++] : x.obj.viewerRole));
      }, opts: { cache: false } },
    },
  },
  context: (req) => ({ uid: req.uid }),
  jit: 1,
  graphiql: false,
});
await app.listen(addr);
