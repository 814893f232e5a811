package mailbox

import (
	_ "embed"
	"encoding/json"
	"html/template"
	"net/http"
)

//go:embed mailbox.html
var pageHTML string

var page = template.Must(template.New("mailbox").Parse(pageHTML))

// ServePage shows the mails to a browser.
func (m *Mailbox) ServePage(w http.ResponseWriter, _ *http.Request) {
	mails, err := m.Mails()
	if err != nil {
		http.Error(w, "The mails cannot be read: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	// The mails stand in sandboxed frames; their scripts, had they any, would
	// not run.
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'; form-action 'none'")
	_ = page.Execute(w, mails)
}

// ServeJSON gives the mails to a program.
func (m *Mailbox) ServeJSON(w http.ResponseWriter, _ *http.Request) {
	mails, err := m.Mails()
	if err != nil {
		http.Error(w, "The mails cannot be read: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(mails)
}
