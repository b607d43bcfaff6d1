// Long tables can be searched, sorted and saved, by DataTables. Without this file a table is a table.
(() => {
  const options = { paging: false, info: false, order: [], autoWidth: false,
    layout: { topStart: "search", topEnd: { buttons: [{ extend: "csv", text: "save as CSV" }] }, bottomStart: null, bottomEnd: null } };
  const start = () => document.querySelectorAll("table.txray-long").forEach(table => new window.ITable(table, options));
  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", start) : start();
})();
