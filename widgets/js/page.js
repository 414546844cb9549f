// The entry of an exported page: the same views over data that lies in the page, without a kernel.
import { mount } from "./widget.js";

mount(document.getElementById("tracer"), null, JSON.parse(document.getElementById("views").textContent));
