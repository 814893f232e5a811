// Command rest is the floor: what a request costs in Go without GraphQL and without
// what the gateway promises. It has net/http, encoding/json, lib/pq, prepared
// statements, and the operations of the other peers.
package main

import (
	"context"
	"encoding/json"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

func main() {
	st, err := openStore(os.Getenv("DATABASE_URL"), 16)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /instances/{id}", func(w http.ResponseWriter, r *http.Request) {
		i, err := st.instance(r.Context(), pathID(r), viewer(r))
		respond(w, "instance", i, err)
	})
	mux.HandleFunc("GET /spaces/{id}/tree", func(w http.ResponseWriter, r *http.Request) {
		s, err := st.tree(r.Context(), pathID(r))
		respond(w, "space", s, err)
	})
	mux.HandleFunc("POST /instances/{id}/invitations", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Invitations []inviteInput `json:"invitations"`
		}
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&in); err != nil {
			respond(w, "", nil, err)
			return
		}
		result, err := st.invite(r.Context(), pathID(r), viewer(r), in.Invitations)
		respond(w, "inviteToInstance", result, err)
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), authenticate([]byte(os.Getenv("JWT_SECRET")), mux)))
}

type viewerKey struct{}

func viewer(r *http.Request) int64 { return r.Context().Value(viewerKey{}).(int64) }

func authenticate(secret []byte, next http.Handler) http.Handler {
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired())
	keyOf := func(*jwt.Token) (any, error) { return secret, nil }
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		var claims jwt.RegisteredClaims
		_, err := parser.ParseWithClaims(token, &claims, keyOf)
		id, wrong := strconv.ParseInt(claims.Subject, 10, 64)
		if !bearer || err != nil || wrong != nil {
			http.Error(w, `{"errors":[{"message":"unauthenticated"}]}`, http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), viewerKey{}, id)))
	})
}

func pathID(r *http.Request) int64 {
	id, _ := strconv.ParseInt(r.PathValue("id"), 10, 64) // 0 is nothing's id
	return id
}

// respond writes a value in the form of a GraphQL answer, like the other peers.
func respond(w http.ResponseWriter, field string, value any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusUnprocessableEntity)
		_ = json.NewEncoder(w).Encode(map[string]any{"errors": []map[string]string{{"message": err.Error()}}})
		return
	}
	body, err := json.Marshal(map[string]any{"data": map[string]any{field: value}})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(body)
}
