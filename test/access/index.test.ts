/** Runs every case of the access floor: who may say and hear what. */
import "./permissions.cases.ts";
