import { graphql } from '../generated'

export const Readiness = graphql(`
  fragment Readiness on Readiness {
    allowed
    obstacles {
      code
      reason
      message
      remedy
      request
      deletedAt
      restorableUntil
      retryAfter
      contacts {
        name
        email
      }
    }
  }
`)
