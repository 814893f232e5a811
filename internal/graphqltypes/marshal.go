package graphqltypes

import (
	"bytes"
	"sync"

	"github.com/99designs/gqlgen/graphql"
)

// maxPooled is the capacity of the largest buffer that is kept, in octets.
const maxPooled = 1 << 20

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// Marshal writes the data of a response to b, which then has as much memory as it needs. A
// buffer that grows while it is written takes four times as much.
func Marshal(data graphql.Marshaler, b *bytes.Buffer) {
	pooled := buffers.Get().(*bytes.Buffer)
	pooled.Reset()
	data.MarshalGQL(pooled)
	b.Write(pooled.Bytes())
	if pooled.Cap() <= maxPooled {
		buffers.Put(pooled)
	}
}
