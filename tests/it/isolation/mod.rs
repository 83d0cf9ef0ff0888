//! Nobody sees what is not theirs, by any route that there is or will be: the routes are
//! those of the router's own description, and one that this test knows nothing of fails it.

mod house;
mod routes;
mod walk;
