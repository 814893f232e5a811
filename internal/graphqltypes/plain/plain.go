// Package plain writes lists of objects to JSON of which only plain fields are selected:
// fields that read a Go field, without arguments, directives and errors.
//
// gqlgen resolves an object into a set of values, which it writes when all are there.
// Where nothing has to be waited for, an object can be written at once. The functions
// that know the fields of a type are generated; see internal/graphqlserver/generate.
package plain

import (
	"bytes"
	"io"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// Writer writes the value of a field of an object. It reports false where the value is an
// error: null, where the schema says that it is not.
type Writer[T any] func(b *bytes.Buffer, of *T) bool

// WriterOf returns the Writer of a field; nil where the field is not plain, or nothing
// plain of it is selected.
type WriterOf[T any] func(of *graphql.OperationContext, field graphql.CollectedField) Writer[T]

// Object is how the selected fields of an object are written, in their order.
type Object[T any] []member[T]

type member[T any] struct {
	name  string // the field's name or alias, as JSON, with the punctuation around it
	write Writer[T]
}

// Compile returns how the objects of a selection are written; nil where a field is not
// plain.
func Compile[T any](of *graphql.OperationContext, selection ast.SelectionSet, satisfies []string, writerOf WriterOf[T]) Object[T] {
	fields := graphql.CollectFields(of, selection, satisfies)
	object := make(Object[T], len(fields))
	for i, field := range fields {
		write := writerOf(of, field)
		if write == nil {
			return nil
		}
		before := ","
		if i == 0 {
			before = "{"
		}
		object[i] = member[T]{before + `"` + field.Alias + `":`, write}
	}
	return object
}

// Write writes an object. It reports false where the object or a field of it is an error.
func (o Object[T]) Write(b *bytes.Buffer, of *T) bool {
	if of == nil {
		return false
	}
	for _, m := range o {
		b.WriteString(m.name)
		if !m.write(b, of) {
			return false
		}
	}
	b.WriteByte('}')
	return true
}

// List writes the elements of a list. It returns nil where a field is not plain, or an
// element has an error or panics: the list must then be resolved field by field, which
// finds the errors and their paths.
func List[T any](of *graphql.OperationContext, selection ast.SelectionSet, satisfies []string, writerOf WriterOf[T], elements []*T) (written graphql.Marshaler) {
	object := Compile(of, selection, satisfies, writerOf)
	if len(object) == 0 || len(elements) == 0 {
		return nil
	}
	defer func() {
		if recover() != nil {
			written = nil
		}
	}()
	l := new(list)
	for i, element := range elements {
		if i == 0 {
			l.WriteByte('[')
		} else {
			l.WriteByte(',')
		}
		if !object.Write(&l.Buffer, element) {
			return nil
		}
		if i == 0 {
			l.Grow(len(elements) * (l.Len() + l.Len()/8)) // the elements are of similar length
		}
	}
	l.WriteByte(']')
	return l
}

type list struct{ bytes.Buffer }

// MarshalGQL implements graphql.Marshaler.
func (l *list) MarshalGQL(w io.Writer) { _, _ = w.Write(l.Bytes()) }

// Value writes a scalar, and reports whether it is not null.
func Value(b *bytes.Buffer, scalar graphql.Marshaler) bool {
	if scalar == graphql.Null {
		return false
	}
	scalar.MarshalGQL(b)
	return true
}

// Null writes null.
func Null(b *bytes.Buffer) bool {
	b.WriteString("null")
	return true
}
