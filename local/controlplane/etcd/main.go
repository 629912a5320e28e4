// Command etcd is the upstream server's own entry point: its module publishes the
// server as a package, the program around it is not a module that can be fetched.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
