// Command switch stands before Tributary, because a registration has only one URL: behind it
// a test starts, stops, replaces and breaks Tributary while Synapse and the bridge go on pushing.
package main

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	state := newState()
	if target := os.Getenv("SWITCH_TARGET"); target != "" {
		if err := state.setTarget(&target); err != nil {
			log.Fatal(err)
		}
	}
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer cancel()
	front := serve(os.Getenv("SWITCH_ADDR"), newProxy(state))
	back := serve(os.Getenv("SWITCH_CONTROL_ADDR"), controlRoutes(state))
	<-stop.Done()
	state.release() // requests that hang would keep the server from stopping
	deadline, done := context.WithTimeout(context.Background(), 2*time.Second)
	defer done()
	_ = front.Shutdown(deadline)
	_ = back.Shutdown(deadline)
}

// serve listens at once, so that a wrong address ends the program, and serves in the background.
func serve(addr string, handler http.Handler) *http.Server {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Fatal(err)
		}
	}()
	return server
}
