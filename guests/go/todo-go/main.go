// A to-do list in a JSON file.
//
//	todo-go add TEXT...   adds an entry
//	todo-go list          prints all entries
//	todo-go done NUMBER   marks one as done
//
// The file is todo.json in the folder that TODO_DIR names, or in /data.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

type entry struct {
	Text string `json:"text"`
	Done bool   `json:"done"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "todo-go:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	dir := os.Getenv("TODO_DIR")
	if dir == "" {
		dir = "/data"
	}
	file := filepath.Join(dir, "todo.json")
	entries, err := load(file)
	if err != nil {
		return err
	}
	switch {
	case len(args) >= 2 && args[0] == "add":
		entries = append(entries, entry{Text: strings.Join(args[1:], " ")})
		if err := save(file, entries); err != nil {
			return err
		}
		fmt.Printf("added %d\n", len(entries))
	case len(args) == 1 && args[0] == "list":
		for i, e := range entries {
			mark := " "
			if e.Done {
				mark = "x"
			}
			fmt.Printf("%d [%s] %s\n", i+1, mark, e.Text)
		}
	case len(args) == 2 && args[0] == "done":
		n, err := strconv.Atoi(args[1])
		if err != nil || n < 1 || n > len(entries) {
			return fmt.Errorf("there is no entry %s", args[1])
		}
		entries[n-1].Done = true
		if err := save(file, entries); err != nil {
			return err
		}
		fmt.Printf("done: %s\n", entries[n-1].Text)
	default:
		return errors.New("usage: todo-go add TEXT... | list | done NUMBER")
	}
	return nil
}

func load(file string) ([]entry, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var entries []entry
	if err := json.Unmarshal(data, &entries); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return entries, nil
}

// save writes a new file and renames it, so that the list is never half written.
func save(file string, entries []entry) error {
	data, err := json.MarshalIndent(entries, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(file+".new", append(data, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}
