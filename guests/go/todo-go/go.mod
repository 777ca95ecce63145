module holm.example/todo-go

go 1.24
