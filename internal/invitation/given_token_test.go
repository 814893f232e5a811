package invitation

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// The page's tests read the same file (web/test/links.spec.ts). T stands for the token.
func TestGivenTokens(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("testdata/given_tokens.json")
	if err != nil {
		t.Fatal(err)
	}
	var examples struct {
		Token             string
		Found, OtherToken []string
	}
	if err := json.Unmarshal(content, &examples); err != nil {
		t.Fatal(err)
	}
	if len(examples.Found) == 0 || len(examples.OtherToken) == 0 {
		t.Fatal("there are no examples")
	}
	for _, around := range examples.Found {
		if given := strings.ReplaceAll(around, "T", examples.Token); GivenToken(given) != examples.Token {
			t.Errorf("no token is found in %q", given)
		}
	}
	for _, around := range examples.OtherToken {
		if given := strings.ReplaceAll(around, "T", examples.Token); GivenToken(given) == examples.Token {
			t.Errorf("the token is found in %q, which is another one", given)
		}
	}
}
