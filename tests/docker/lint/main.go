// Reads docker/ with the parsers of the tools that it is for, where there is no engine:
//
//	lint compose FILE     what Compose makes of it, as JSON
//	lint dockerfile FILE  what `docker build --check` says of it, one finding a line
package main

import (
	"context"
	"fmt"
	"os"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "lint:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: lint compose|dockerfile FILE")
	}
	switch args[0] {
	case "compose":
		return compose(ctx, args[1])
	case "dockerfile":
		return dockerfile(ctx, args[1])
	}
	return fmt.Errorf("unknown command %q", args[0])
}
