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

// maxShown is how many mails the page shows.
const maxShown = 200

// ServePage shows the newest mails in a browser.
func (m *Mailbox) ServePage(w http.ResponseWriter, _ *http.Request) {
	names, err := m.names()
	var mails []Mail
	if err == nil {
		mails, err = m.read(names[:min(len(names), maxShown)])
	}
	if err != nil {
		http.Error(w, "The mails cannot be read: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	// Each mail is in a sandboxed frame, which inherits this policy: no mail can run
	// a script or load anything.
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'; form-action 'none'")
	_ = page.Execute(w, struct {
		Mails []Mail
		Total int
	}{mails, len(names)})
}

// ServeJSON answers with all mails, newest first.
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
