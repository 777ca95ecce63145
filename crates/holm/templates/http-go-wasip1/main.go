// Answers HTTP requests. Each request is a run of this program, which finds it in its environment and
// standard input, as CGI has it; net/http/cgi does the rest.
package main

import (
	"fmt"
	"log"
	"net/http"
	"net/http/cgi"
)

func main() {
	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "Hello from my-app!")
	})
	http.HandleFunc("GET /hello/{name}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello, %s!\n", r.PathValue("name"))
	})
	if err := cgi.Serve(nil); err != nil {
		log.Fatal(err)
	}
}
